/** A letter cut and joined over a road that loses, repeats and delays pieces. */
import type { Random } from "../published.js";
import { isWhole, pieceOf, takePiece, type Arriving, type Piece } from "../../protocol/wire/carry.js";

/** What arrives when this piece is sent: nothing, it, it and older ones. */
export type Road = (piece: Piece) => Piece[];

export function lossy(random: Random): Road {
  const late: Piece[] = [];
  return (piece) => {
    late.push(piece);
    const now = random.below(3) === 0 ? [] : [piece];
    return random.below(2) === 0 ? [late[random.below(late.length)]!, ...now] : [...now, late[random.below(late.length)]!];
  };
}

export function carryOnce(id: Uint8Array, letter: Uint8Array, road: Road): Uint8Array {
  let arriving: Arriving | undefined;
  for (let tries = 0; tries < 1000; tries++) {
    for (const piece of road(pieceOf(id, letter, arriving?.have ?? 0, 200))) {
      if (arriving === undefined || !isWhole(arriving)) arriving = takePiece(arriving, piece, letter.length);
    }
    if (arriving !== undefined && isWhole(arriving)) return arriving.bytes;
  }
  throw new Error("never whole");
}
