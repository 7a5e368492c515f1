import * as host from '#host/secret';
import { asked, text } from './border.js';

export const get = (name) => asked(host.get, text(name, 'the name'));
