import { answer, holds, make, undo } from './recording.js';

export const lock = make('accounts.lock');
export const unlock = undo('accounts.unlock');
export const locked = holds('accounts.locked');
export const endSessions = answer('accounts.end-sessions', () => 0);
