import { answer } from './recording.js';

export const read = answer('files.read', () => new Uint8Array(0));
export const list = answer('files.list', () => []);
export const stat = answer('files.stat', () => ({ kind: 'file', size: 0, modified: undefined }));
