import * as host from '#host/config';
import { asked, text } from './border.js';

export const get = (name) => asked(host.get, text(name, 'the name')) ?? undefined;
export const names = () => asked(host.names);
