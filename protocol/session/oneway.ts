/**
 * The one-way class (`tap.md` §7): the handset only speaks, by an optical code before a scanner or by send-only infrared.
 * There is no challenge, receipt or acknowledgement, so it is only for identification, passes and single tickets that
 * allow it, never for amounts, and a photographed code works for seconds at a gate that hears nobody.
 */
import type { Given, UseNotice } from "./book.js";
import type { VerifierSettings } from "./events.js";
import { daySeconds, first, owner, room, standing, tooOld, undetermined, verdict, wrongKind, type Verdict } from "./judge.js";
import { findKey, type BeaconVerdict } from "./profile.js";
import { none } from "./transcript.js";
import type { Crypto } from "../crypto/crypto.js";
import { limits } from "../limits.js";
import { refusal } from "../refusal.js";
import { clause, decodeRule, evaluate } from "../rule.js";
import type { SignedClaims } from "../wire/certificate.js";
import { sigStructure, signHeader } from "../wire/cose.js";
import { decodeBeacon, encodeBeacon, encodeBeaconStep, type Beacon } from "../wire/message-b.js";
import { action } from "../wire/receipt.js";
import { decodeValue, flag, unit, valueToSign, type Value } from "../wire/value.js";

/** Undefined for bytes that are no beacon: noise before a scanner is nobody's refusal. */
export function beaconVerdict(bytes: Uint8Array, s: VerifierSettings, given: Given): BeaconVerdict | undefined {
  const beacon = decodeBeacon(bytes);
  const value = beacon === undefined ? undefined : decodeValue(beacon.value.claims);
  if (beacon === undefined || value === undefined || value.holderKey.length === 0) return undefined;
  const code = weak(beacon, value, s, given);
  if (code !== 0) return { verdict: verdict(code, 0), value: undefined, entry: undefined };
  if (!genuine(given.crypto, beacon, value, s)) return { verdict: verdict(refusal.not_genuine, 0), value: undefined, entry: undefined };
  const notice = given.book.notice(value.valueId, today(given));
  const found = first([
    room(notice, given), standing(value, given), owner(value, notice), fresh(beacon, value, given), once(beacon, value, s, given), aged(beacon, value, notice, given),
    undetermined(value, beacon.action, given),
  ]);
  if (found.code !== 0) return { verdict: found, value: value, entry: undefined };
  return { verdict: found, value: value, entry: {
    kind: "beacon", beacon: bytes, valueId: value.valueId, step: beacon.step, zone: beacon.zone, action: beacon.action, expires: value.expires, at: given.at, quality: given.quality,
  } };
}

function today(given: Given): number {
  return Math.floor(given.at / daySeconds);
}

/** Codes 3, 7 and 8, which say nothing about a value. */
function weak(beacon: Beacon, value: Value, s: VerifierSettings, given: Given): number {
  if (given.book.journalFull()) return refusal.terminal_full;
  if (!s.oneWay || (value.flags & flag.oneWay) === 0 || value.unit !== unit.uses) return refusal.profile_too_weak;
  return wrongKind(value, s.want) || beacon.action !== s.want.action || s.want.amount > 1 ? refusal.wrong_kind : 0;
}

/** Code 26: coupon uses only with the host on line; else the age of what the terminal knows decides, but for who leaves. */
function aged(beacon: Beacon, value: Value, notice: UseNotice | undefined, given: Given): Verdict {
  if (beacon.action === action.exit) return verdict(0, 0);
  const coupon = value.most > 1 && value.most < limits.passUses;
  return coupon && !given.book.onLine() ? verdict(refusal.sync_needed, 0) : tooOld(value, notice, given);
}

function genuine(crypto: Crypto, beacon: Beacon, value: Value, s: VerifierSettings): boolean {
  const provider = findKey(s.valueKeys, beacon.value.kid);
  if (provider === undefined || !crypto.verify(provider, valueToSign(beacon.value.kid, beacon.value.claims), beacon.value.signature)) return false;
  return crypto.verify(value.holderKey, beaconToSign(value.valueId, beacon.action, beacon.step, beacon.zone), beacon.proof);
}

/** Code 28 without a set clock; a step outside the window is an old or a foreign code. */
function fresh(beacon: Beacon, value: Value, given: Given): Verdict {
  if (given.quality < 2) return verdict(refusal.clock_unknown, 0);
  const now = Math.floor(given.at / limits.beaconStepSeconds);
  const away = beacon.step > now ? beacon.step - now : now - beacon.step;
  if (away > limits.beaconStepsAround) return verdict(refusal.state_outdated, beacon.step * limits.beaconStepSeconds);
  return verdict(given.book.beaconSeen(value.valueId, beacon.step) ? refusal.already_used : 0, given.at);
}

/** Each (value, step) once, a single ticket in once, and a value once per zone until an exit or the rule's interval. */
function once(beacon: Beacon, value: Value, s: VerifierSettings, given: Given): Verdict {
  const notice = given.book.notice(value.valueId, today(given));
  const last = given.book.lastBeacon(value.valueId, beacon.zone);
  const used = notice === undefined ? 0 : notice.counter + notice.beaconUses;
  if (value.most === 1 && used > 0 && beacon.action !== action.exit) return verdict(refusal.already_used, notice!.lastAt);
  if (s.zones.indexOf(beacon.zone) < 0) return verdict(refusal.wrong_zone, 0);
  const amount = beacon.action === action.exit ? 0 : 1;
  const code = evaluate(value, {
    action: beacon.action, amount: amount, at: given.at, quality: given.quality, spent: used, lastAction: last === undefined ? 0 : last.action,
    lastAt: last === undefined ? 0 : last.at, usesToday: notice === undefined ? 0 : notice.usesToday, zones: [beacon.zone],
  });
  if (code !== 0) return verdict(code, code === refusal.not_yet_valid ? value.notBefore : code === refusal.expired ? value.expires : 0);
  const twice = last !== undefined && last.action === beacon.action && !hasInterval(value, beacon.action);
  return verdict(twice ? refusal.pass_back : 0, last === undefined ? 0 : last.at);
}

/** Its rule says itself when it may come again: an interval, or for entry and exit their order. */
function hasInterval(value: Value, act: number): boolean {
  const rule = decodeRule(value.rule);
  const passes = act === action.enter || act === action.exit;
  return rule !== undefined && rule.list.some((c) => c[0] === clause.interval || (passes && c[0] === clause.passage));
}

// ---- the handset's half -------------------------------------------------------------------------------------------------

/** What the value's key signs: class `beacon`. */
export function beaconToSign(valueId: Uint8Array, act: number, step: number, zone: number): Uint8Array {
  return sigStructure(signHeader("beacon", undefined), none, encodeBeaconStep(valueId, act, step, zone));
}

/** The beacon's step at a time, UTC seconds. */
export function beaconStep(at: number): number {
  return Math.floor(at / limits.beaconStepSeconds);
}

export function makeBeacon(value: SignedClaims, act: number, step: number, zone: number, proof: Uint8Array): Uint8Array {
  return encodeBeacon({ value: value, action: act, step: step, zone: zone, proof: proof });
}
