import * as host from '#host/routes';
import { asked, text } from './border.js';

export const blackhole = (address) => asked(host.blackhole, text(address, 'the address'));
export const restore = (address) => asked(host.restore, text(address, 'the address'));
export const blackholed = (address) => asked(host.blackholed, text(address, 'the address'));
