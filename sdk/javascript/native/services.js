import { answer, holds, make, undo } from './recording.js';

export const restart = answer('services.restart');
export const reload = answer('services.reload');
export const start = make('services.start');
export const stop = undo('services.stop');
export const active = holds('services.active');
