import { holds, make, undo } from './recording.js';

export const blackhole = make('routes.blackhole');
export const restore = undo('routes.restore');
export const blackholed = holds('routes.blackholed');
