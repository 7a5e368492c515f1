import * as host from '#host/firewall';
import { asked, text } from './border.js';

export const block = (address) => asked(host.block, text(address, 'the address'));
export const unblock = (address) => asked(host.unblock, text(address, 'the address'));
export const blocked = (address) => asked(host.blocked, text(address, 'the address'));
