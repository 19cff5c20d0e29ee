/**
 * What a terminal hands to couriers and takes from them (S7, claims 37 and 38): any record kept here. Its statements, where it
 * has charges; and where it has no network, the letters of its sync, whose answers come back the same way.
 */
import type { Desk } from "./post.js";
import type { Charges, Time } from "../charges/charges.js";
import { lettersToHost, takePaired } from "../charges/letters.js";
import { readCell } from "../journal/cells.js";
import { readAnswer } from "../sync/letters.js";
import { nextLetter, takeAnswer, type Sync } from "../sync/sync.js";
import { timeOf } from "../keeping.js";
import type { Terminal } from "../terminal.js";
import { readPaired } from "../../protocol/wire/paired.js";

/**
 * `charges`: of a meter or receiver. `sync`: of a terminal whose letters go by courier; one that has a network posts them
 * itself, and passes on those of others (`network`).
 */
export function makeDesk(t: Terminal, charges: Charges | undefined, sync: Sync | undefined, network: boolean): Desk {
  let offered: Uint8Array | undefined;
  return {
    letters: () => {
      const out = charges === undefined ? [] : lettersToHost(charges);
      if (sync === undefined || network) return out;
      const next = nextLetter(sync, "talk");
      // The one that is outstanding is given to every courier: whoever comes first brings its answer.
      if (next !== undefined) offered = next;
      if (offered !== undefined && sync.outstanding.talk !== undefined) out.push(offered);
      return out;
    },
    take: (letter) => {
      if (charges !== undefined && readPaired(letter) !== undefined) return takePaired(charges, letter, now(t));
      const out = sync === undefined ? undefined : sync.outstanding.talk;
      const mine = sync !== undefined && out !== undefined && readAnswer(sync.who, out.letter, letter) !== undefined && takeAnswer(sync, "talk", letter);
      return { mine: mine, answer: none };
    },
    passesOn: () => network,
    certificate: () => { const held = readCell(t.setup.cells, "certificate"); return held === undefined ? none : held; },
  };
}

function now(t: Terminal): Time {
  return timeOf(t);
}

const none = new Uint8Array(0);
