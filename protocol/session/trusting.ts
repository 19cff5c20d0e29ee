/**
 * Whether a handset shows itself to a terminal at all: certificate signed by the provider, in time or in its grace, for
 * this kind, amount and currency, and not revoked (`tap.md` §3, `trust.md` §2). A thief's terminal obeys nobody, so the
 * handset is the judge of the certificate's age.
 */
import type { HeldCertificate } from "./book.js";
import { findKey } from "./profile.js";
import type { Held, HolderGiven, HolderSettings } from "./holder.js";
import { terminalToSign } from "../wire/certificate.js";
import type { Hello } from "../wire/message.js";
import { unit } from "../wire/value.js";

/** `warning`: past its end, in its grace of half its life, with a tenth of its limit. */
export interface TrustVerdict { trusted: boolean; warning: boolean; most: number }

const no: TrustVerdict = { trusted: false, warning: false, most: 0 };

/** `kept`: its signature was verified before the wallet took it in (`tap.md` §10); whether its signer is still believed is asked each time. */
export function checkCertificate(c: HeldCertificate, kept: boolean, hello: Hello, held: Held, s: HolderSettings, given: HolderGiven): TrustVerdict {
  const key = findKey(s.certificateKeys, c.signed.kid);
  if (key === undefined) return no;
  if (!kept && !given.crypto.verify(key, terminalToSign(c.signed.kid, c.signed.claims), c.signed.signature)) return no;
  if (given.wallet.terminalRevoked(c.decoded.terminalId) || given.wallet.terminalRevoked(hello.terminal)) return no;
  const found = inTime(c, given);
  if (!found.trusted || c.decoded.kinds.indexOf(held.value.kind) < 0) return no;
  const money = held.value.unit === unit.money;
  if (money && (hello.want.currency !== c.decoded.currency || hello.want.amount > found.most)) return no;
  return found;
}

/** A handset without a clock cannot judge age; it shows nothing, since phones have clocks. */
function inTime(c: HeldCertificate, given: HolderGiven): TrustVerdict {
  const life = c.decoded.expires - c.decoded.notBefore;
  if (given.quality === 0 || given.at < c.decoded.notBefore - clockSlackSeconds) return no;
  if (given.at < c.decoded.expires) return { trusted: true, warning: false, most: c.decoded.most };
  if (given.at < c.decoded.expires + Math.floor(life / 2)) return { trusted: true, warning: true, most: Math.floor(c.decoded.most / 10) };
  return no;
}

/** A certificate made a moment ago is good on a phone whose clock is a little slow. */
const clockSlackSeconds = 300;
