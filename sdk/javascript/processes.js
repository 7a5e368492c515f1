import * as host from '#host/processes';
import { asked, text, whole } from './border.js';

export const running = (name) => asked(host.running, text(name, 'the name'));
export const kill = (process, name) => asked(host.kill, whole(process, 'the process'), text(name, 'the name'));
