/** Letters in pieces (S7): whatever is lost, repeated or out of order, the same bytes arrive, or nothing counts as whole. */
import { expect, test } from "vitest";
import { carryOnce, lossy } from "./carrying.js";
import { nodeCrypto } from "../../protocol/crypto/node/node.js";
import { seeded } from "../published.js";
import { limits } from "../../protocol/limits.js";
import { encodeBring, encodePiece, isWhole, letterId, pieceOf, pieceOverheadBytes, takePiece, type Arriving } from "../../protocol/wire/carry.js";

const letterOf = (length: number, seed = 1): Uint8Array => { const random = seeded(seed); return Uint8Array.from({ length }, () => random.below(256)); };
const id = (letter: Uint8Array): Uint8Array => letterId(nodeCrypto, letter);

test.each([1, 24, 479, 480, 481, 960, 6000, 65536])("a letter of %i bytes arrives whole, in messages that a small board can hold", (length) => {
  const letter = letterOf(length);
  const most = 512 - pieceOverheadBytes;
  let a: Arriving | undefined;
  for (let from = 0; from < length; from = a!.have) {
    const piece = pieceOf(id(letter), letter, from, most);
    expect(encodeBring(piece).length).toBeLessThanOrEqual(512);
    expect(encodePiece(piece).length).toBeLessThanOrEqual(512);
    a = takePiece(a, piece, limits.envelopeBytesMax);
  }
  expect(isWhole(a!)).toBe(true);
  expect(Buffer.compare(a!.bytes, letter)).toBe(0);
});

test.each([1, 2, 3, 4, 5, 6, 7, 8])("pieces lost, repeated and late (seed %i): the letter that arrives is the one that was sent", (seed) => {
  const letter = letterOf(3000, seed);
  const random = seeded(seed);
  expect(Buffer.compare(carryOnce(id(letter), letter, lossy(random)), letter)).toBe(0);
});

test("a piece again, a piece from further on and a piece past the end change nothing", () => {
  const letter = letterOf(1000);
  const a = takePiece(undefined, pieceOf(id(letter), letter, 0, 400), 2000)!;
  for (const odd of [pieceOf(id(letter), letter, 0, 400), pieceOf(id(letter), letter, 500, 400), { letter: id(letter), total: 1000, from: 400, bytes: new Uint8Array(601) }]) {
    expect(takePiece(a, odd, 2000)).toBe(a);
    expect(a.have).toBe(400);
  }
  expect(Buffer.compare(a.bytes.subarray(0, 400), letter.subarray(0, 400))).toBe(0);
});

test("another letter that begins takes the place of one that was broken off; its middle does not", () => {
  const [one, other] = [letterOf(1000, 1), letterOf(1000, 2)];
  const a = takePiece(undefined, pieceOf(id(one), one, 0, 400), 2000)!;
  expect(takePiece(a, pieceOf(id(other), other, 400, 400), 2000)).toBe(a);
  const b = takePiece(a, pieceOf(id(other), other, 0, 400), 2000)!;
  expect(Buffer.from(b.letter)).toEqual(Buffer.from(id(other)));
  expect(b.have).toBe(400);
});

test("of a letter longer than there is room for, nothing is kept", () => {
  const letter = letterOf(2001);
  expect(takePiece(undefined, pieceOf(id(letter), letter, 0, 400), 2000)).toBeUndefined();
});

test("the same length under one id but other bytes is seen: the id is the digest", () => {
  const [one, other] = [letterOf(800, 1), letterOf(800, 2)];
  let a = takePiece(undefined, pieceOf(id(one), one, 0, 400), 2000)!;
  a = takePiece(a, pieceOf(id(one), other, 400, 400), 2000)!;
  expect(isWhole(a)).toBe(true);
  expect(Buffer.compare(id(a.bytes), a.letter)).not.toBe(0);
});
