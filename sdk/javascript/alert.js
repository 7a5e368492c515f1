// The alert that a response answers.

import * as host from '#host/alert';
import { asked, text } from './border.js';
import { RiposteError } from './error.js';
import { canonical } from './address.js';
import { keys } from './invocation.js';
import { parse } from './json.js';

// Where the source address stands: Wazuh 4 in the order of its own responses,
// OSSEC, Wazuh 5.
const SOURCE_ADDRESS = [
  '/data/win/eventdata/ipAddress',
  '/data/win/eventdata/destinationIp',
  '/data/srcip',
  '/srcip',
  '/source/ip',
];
// Where the user name stands: Wazuh 4, OSSEC, Wazuh 5.
const USER = ['/data/dstuser', '/dstuser', '/user/name'];
// How deep an alert may be nested. The engine sees to it; a test need not.
const DEPTH = 128;

export class Alert {
  #json;
  #object;

  constructor(json) {
    this.#json = json;
  }

  get json() {
    return this.#json;
  }

  text(pointer) {
    return asked(host.text, text(pointer, 'the pointer'), this.#json) ?? undefined;
  }

  number(pointer) {
    return asked(host.number, text(pointer, 'the pointer'), this.#json) ?? undefined;
  }

  parse() {
    if (this.#object !== undefined) return this.#object;
    let parsed;
    try {
      parsed = parse(this.#json, DEPTH);
    } catch (error) {
      throw RiposteError.invalid(`the alert is no JSON that can be read: ${error.message}`);
    }
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
      throw RiposteError.invalid('the alert is not a JSON object');
    }
    return (this.#object = parsed);
  }

  srcip() {
    // A number is no address: Wazuh passes over it too.
    const found = this.#first(SOURCE_ADDRESS, (pointer) => this.number(pointer) === undefined);
    return found ?? this.#missing('source address (data.srcip)');
  }

  address() {
    const found = keys()[0] ?? this.srcip();
    const address = canonical(found);
    if (address === undefined) {
      throw RiposteError.invalid(`the source of the alert, ${JSON.stringify(found)}, is not an IP address`);
    }
    return address;
  }

  user() {
    return this.#first(USER) ?? this.#missing('user (data.dstuser)');
  }

  // The first text there is that fits; `-` and the empty text stand for absence.
  #first(pointers, fits = () => true) {
    for (const pointer of pointers) {
      const found = this.text(pointer);
      if (found !== undefined && found !== '' && found !== '-' && fits(pointer)) return found;
    }
    return undefined;
  }

  // Nothing is found in what is no alert either: that is another fault.
  #missing(what) {
    this.parse();
    throw RiposteError.noKey(`the alert has no ${what}`);
  }
}
