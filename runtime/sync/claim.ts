/**
 * First contact (`trust.md` §3): a fresh terminal makes its keys, shows a claim code, and is given everything it needs.
 * Broken off anywhere, the same request is made again; nothing is believed that the code does not prove.
 */
import type { Board } from "../board.js";
import { keepNumbers, raiseFloor } from "../kept.js";
import { enrol, openSetup, takeConfiguration, takeGroup, type Setup } from "../setup.js";
import { readCell, writeCell } from "../journal/cells.js";
import { signersFor } from "./trust.js";
import { claimKeys, macRequest, openAnswer, readAnswer, readClaimCode, shownDigits } from "../../protocol/wire/claim.js";
import { openSigned } from "../../protocol/wire/signed.js";
import { decodeClaimGranted, encodeClaimRequest } from "../../protocol/wire/claim.js";
import { decodeSignedClaims } from "../../protocol/wire/sync.js";
import { decodeTime } from "../../protocol/wire/trust.js";
import { copy, equal } from "../../protocol/wire/bytes.js";
import { decodeTerminalCertificate } from "../../protocol/wire/certificate.js";

export interface Claim { setup: Setup; secret: string; nonce: Uint8Array; request: Uint8Array; bytes: Uint8Array }

/** The request for this code; undefined when the code was mistyped. Keys and nonce stay the same until it is answered. */
export function beginClaim(board: Board, typed: string, model: string, software: Uint8Array): Claim | undefined {
  const code = readClaimCode(typed);
  if (code === undefined) return undefined;
  const setup = openSetup(board);
  const nonce = nonceFor(board, setup);
  const request = encodeClaimRequest({
    lookup: code.lookup, nonce: nonce, identityKey: key(board, "identity"), signingKey: key(board, "signing"), agreementKey: key(board, "agreement"), model: model, software: software,
  });
  const keys = claimKeys(board.crypto, code.secret, nonce);
  return { setup: setup, secret: code.secret, nonce: nonce, request: request, bytes: macRequest(board.crypto, keys, request) };
}

function key(board: Board, name: string): Uint8Array {
  const held = board.keys.publicKey(name);
  const made = held === undefined ? board.keys.make(name) : held;
  return made === undefined ? new Uint8Array(33) : made;
}

function nonceFor(board: Board, setup: Setup): Uint8Array {
  const held = readCell(setup.cells, "claim nonce");
  if (held !== undefined && held.length === 16) return held;
  const nonce = copy(board.random.fill(16), 0, 16);
  writeCell(setup.cells, "claim nonce", nonce);
  return nonce;
}

export type Claimed = { digits: string; at: number } | { wrong: string };

/** Takes the host's answer, durably. `digits` are for people who compare both screens. */
export function finishClaim(board: Board, claim: Claim, answer: Uint8Array): Claimed {
  const crypto = board.crypto;
  const keys = claimKeys(crypto, claim.secret, claim.nonce);
  const read = readAnswer(crypto, keys, claim.request, answer);
  if (read === undefined) return { wrong: "the answer does not prove the claim code: check the code and the host's address" };
  const shared = board.keys.agree("agreement", read.point);
  const plain = shared === undefined ? undefined : openAnswer(crypto, claim.request, read.point, shared, read.sealed);
  const granted = plain === undefined ? undefined : decodeClaimGranted(plain);
  if (granted === undefined) return { wrong: "the answer cannot be read: is the host of the same version?" };
  const setup = claim.setup;
  const signed = decodeSignedClaims(granted.certificate);
  const certified = signed === undefined ? undefined : decodeTerminalCertificate(signed.claims);
  const signing = board.keys.publicKey("signing");
  if (certified === undefined || signing === undefined || !equal(certified.signingKey, signing)) return { wrong: "the certificate is for other keys than this terminal's" };
  if (!enrol(setup, granted.provider, granted.root, granted.spareRoot, granted.roles, granted.terminalId, granted.certificate)) {
    return { wrong: "the certificate is not signed by a key that the provider's root names" };
  }
  if (!takeConfiguration(setup, granted.configuration)) return { wrong: "the configuration is not signed by the provider's configuration key" };
  if (granted.group.length > 0) takeGroup(setup, granted.group);
  const time = openSigned(crypto, granted.time, "time", signersFor(setup.trust, "status"));
  const decoded = time === undefined ? undefined : decodeTime(time);
  const at = decoded === undefined ? 0 : decoded.at;
  raiseFloor(setup, at);
  keepNumbers(setup);
  return { digits: shownDigits(crypto, claim.request, answer), at: at };
}
