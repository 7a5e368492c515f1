import * as host from '#host/mail';
import { asked, text } from './border.js';

export const send = (subject, body) => asked(host.send, text(subject, 'the subject'), text(body, 'the text'));
