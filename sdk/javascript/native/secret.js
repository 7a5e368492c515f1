import { answer } from './recording.js';

export const get = answer('secret.get', () => '');
