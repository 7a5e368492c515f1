// A response for Riposte. What each of these does is written in index.d.ts.
//
// `#host/...` is the border. Built with the condition `riposte`, it is what the
// engine links (wasm/); without it, in Node.js, a host that records (native/).

export { defineResponse, defineOneshot } from './response.js';
export { Alert } from './alert.js';
export { RiposteError } from './error.js';
export { fetch, Headers, Response } from './fetch.js';

export * as accounts from './accounts.js';
export * as config from './config.js';
export * as exec from './exec.js';
export * as files from './files.js';
export * as firewall from './firewall.js';
export * as invocation from './invocation.js';
export * as isolation from './isolation.js';
export * as lines from './lines.js';
export * as log from './log.js';
export * as mail from './mail.js';
export * as processes from './processes.js';
export * as quarantine from './quarantine.js';
export * as routes from './routes.js';
export * as secret from './secret.js';
export * as services from './services.js';
export * as state from './state.js';
