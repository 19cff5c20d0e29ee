/** `kaisatsu handset refresh`: a receipt of the provider, so that offline terminals accept a value again. */
import { exitCode, noWords, type Command } from "../command.js";
import { folderHelp, folderOption, shortId, stateOf, valueMeant, withPhone } from "./handset.js";
import { refresh } from "../../node/phone.js";
import { refusal, refusals } from "../../../protocol/refusal.js";
import { hex } from "../../../protocol/wire/bytes.js";

export const refreshCommand: Command = {
  name: "refresh",
  summary: "have the host confirm a value, so that its offline limits begin anew",
  help: `Usage: kaisatsu handset refresh --folder F [--value V] [--json]

Terminals without network take only so many uses since the host last saw a value; then they say "Connect to network". This
asks the host for a receipt of its own, with a new base. It gives one only when its books know every use so far.

${folderHelp}
  --value V      only this value: the beginning of its id, its name, or its kind (default: all that are not over)
  --json         one JSON document

Exit code 0 when every value was confirmed, 1 when one was not.

Examples:
  kaisatsu handset refresh --folder aiko
  kaisatsu handset refresh --folder aiko --value swim
`,
  options: { ...folderOption, value: { type: "string" } },
  run: async (c) => withPhone(c, async (phone) => {
    noWords(c);
    const meant = valueMeant(c, phone);
    const now = phone.clock.utc().at;
    const values = meant === undefined ? phone.wallet.values.filter((v) => stateOf(v, now) !== "expired" && stateOf(v, now) !== "used up") : [meant];
    const results: { valueId: string; name: string; code: number; says: string }[] = [];
    for (const v of values) {
      const code = await refresh(phone, v.value.valueId);
      results.push({ valueId: hex(v.value.valueId), name: v.name, code, says: saying(code) });
      if (!c.json) c.out(`${c.paint(code === 0 ? "green" : "yellow", code === 0 ? "confirmed" : "not now  ")} ${shortId(v)} ${v.name}${code === 0 ? "" : `: ${saying(code)}`}`);
    }
    if (c.json) c.out(JSON.stringify({ values: results }));
    else if (values.length === 0) c.out("There is nothing to confirm: no value here can still be used.");
    return results.every((r) => r.code === 0) ? exitCode.done : exitCode.refused;
  }),
};

function saying(code: number): string {
  if (code === 0) return "confirmed";
  if (code === refusal.status_undetermined) return "the host has not heard yet of every use; try again when the terminals have reported";
  return refusals[code] === undefined ? "the host's answer does not fit this value" : refusals[code].english;
}
