/** Folders that commands keep their things in, with the sentence for a person whose folder cannot be used. */
import { accessSync, constants, existsSync, mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { boardFault } from "../../runtime/journal/store.js";

/** Makes the folder where it is missing, for its owner alone; throws a `BoardError` when it cannot be used. `option` names it. */
export function prepareFolder(folder: string, option: string): void {
  try {
    makeFolders(resolve(folder));
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw faultOfFolder(error, folder, option);
  }
}

/** Step by step, because Node's recursive form never returns where the system takes no folder, as under /proc. */
function makeFolders(folder: string): void {
  if (existsSync(folder)) {
    if (!statSync(folder).isDirectory()) throw Object.assign(new Error(`${folder} is no folder`), { code: "ENOTDIR" });
    return;
  }
  makeFolders(dirname(folder));
  mkdirSync(folder, { mode: 0o700 });
}

/** What an error of the file system means for this folder. Other errors are answered as they are. */
export function faultOfFolder(error: unknown, folder: string, option: string): unknown {
  const { code = "" } = error as { code?: string };
  if (code === "EEXIST" || code === "ENOTDIR") return boardFault("denied", `${folder} is no folder: give another with ${option}.`);
  if (["EACCES", "EPERM", "EROFS"].includes(code)) return boardFault("denied", `${folder} cannot be written by this user: give another folder with ${option}, or change its owner.`);
  if (code === "ENOSPC") return boardFault("full", `There is no room left for ${folder}: free some space on its disk.`);
  if (code === "ENOENT" || code === "ENAMETOOLONG") return boardFault("absent", `${folder} cannot be made: give another folder with ${option}.`);
  return error;
}
