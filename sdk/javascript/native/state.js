import { answer, undo } from './recording.js';

export const get = answer('state.get');
export const set = answer('state.set');
export const remove = undo('state.remove');
export const keys = answer('state.keys', () => []);
