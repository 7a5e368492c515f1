import * as host from '#host/isolation';
import { asked } from './border.js';

export const isolate = () => asked(host.isolate);
export const release = () => asked(host.release);
export const isolated = () => asked(host.isolated);
