import * as host from '#host/services';
import { asked, text } from './border.js';

export const restart = (unit) => asked(host.restart, text(unit, 'the unit'));
export const reload = (unit) => asked(host.reload, text(unit, 'the unit'));
export const start = (unit) => asked(host.start, text(unit, 'the unit'));
export const stop = (unit) => asked(host.stop, text(unit, 'the unit'));
export const active = (unit) => asked(host.active, text(unit, 'the unit'));
