/** The engine's native AES, one call for a chain and one for single blocks, from which letters are sealed (`ccm.ts`). */
import { composedCcm } from "../../protocol/crypto/ccm.js";

const native = require("crypto").AES;
const zero = new Uint8Array(16);

export const ccm = composedCcm({
  cbc: (key, blocks) => new Uint8Array(native.encrypt(blocks, key, { iv: zero, mode: "CBC" })),
  ecb: (key, blocks) => new Uint8Array(native.encrypt(blocks, key, { iv: zero, mode: "ECB" })),
});
