/** `kaisatsu inspect`: the command around `inspect.ts`. */
import { inspect, printed } from "./inspect.js";
import { bytesFrom } from "./inspect-input.js";
import { exitCode, type Command } from "./command.js";

export const inspectCommand: Command = {
  name: "inspect",
  summary: "what any bytes mean: message, value, receipt, record, CBOR",
  help: `Usage: kaisatsu inspect BYTES [--json]

BYTES are hexadecimal (spaces allowed), base64, the text of an optical code (KST:…), base45, a file's path, or - for
standard input. Prints what they are and their fields, and opens what stands inside: frames on a line, messages, values,
certificates, receipts, records, signed objects, envelopes from outside, a terminal's journal with its damage, CBOR.
Passwords and keys are counted, not shown. Signatures are not checked: that needs the signer's key.

Exit code 1 when they are nothing known.

Examples:
  kaisatsu inspect 820600
  kaisatsu inspect receipt.cbor --json
  kaisatsu inspect north/journal
  curl -s http://127.0.0.1:8440/status/values | kaisatsu inspect -
`,
  options: {},
  async run({ words, json, out, err, console }) {
    const bytes = words.length === 0 ? undefined : bytesFrom(words, () => console.readInput());
    if (bytes === undefined) { err("kaisatsu inspect: give hexadecimal, base64, the text of an optical code, a file's path, or - for standard input."); return exitCode.usage; }
    const found = inspect(bytes);
    if (found === undefined) { err(`kaisatsu inspect: these ${bytes.length} bytes are no message, value or record, and not deterministic CBOR either.`); return exitCode.refused; }
    if (json) out(JSON.stringify(found));
    else for (const line of printed(found)) out(line);
    return exitCode.done;
  },
};
