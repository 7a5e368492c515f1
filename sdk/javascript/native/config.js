import { host } from './recording.js';

export const get = (name) => host.config.get(name);
export const names = () => [...host.config.keys()].sort();
