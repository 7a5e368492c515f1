import * as host from '#host/quarantine';
import { asked, text } from './border.js';

export const put = (path) => asked(host.put, text(path, 'the path'));
export const restore = (path) => asked(host.restore, text(path, 'the path'));
export const holds = (path) => asked(host.holds, text(path, 'the path'));
