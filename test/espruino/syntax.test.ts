/**
 * The syntax gate refuses what the engine was measured not to read, row by row, and lets through what it reads; and every
 * bundle that can be flashed passes it.
 */
import { expect, test } from "vitest";
import { bundle } from "./firmware.js";
import { bundles } from "../../boards/bench/espruino/bundles.js";
import { refusedSyntax } from "../../boards/bench/espruino/syntax.js";

test.each([
  "let f=(a=1)=>a", "f(...x)", "let [a]=b", "let {a}=b", "let f=(...a)=>a", "let f=({a})=>a", "a:for(;;)break a", "class A{x=5}", "class A{#x(){}}", "class A extends Error{}", "a?.b", "a**b", "a||=b", "a&&=b", "a??=b",
  "let a=1n", "async function f(){}", "let f=async()=>1", "function*g(){}", "f`x`", "let o={[k]:1}", "function f(){if(a)return;var b=1}", "let f=()=>{if(a){var b=1}}", "/a{2}/.test(b)", "/(?:a)/.test(b)", "/a+?/.test(b)", "/a/u.test(b)",
  "for(let i=0;i<3;i++)fs.push(()=>i)", "for(const x of xs)fs.push(()=>x)", "let a=b;let b=1", "f();let f=()=>1", "switch(a){case 1:let b=2}", "import('x')", "let f=()=>new.target", "let f=class{}", "if(",
])("refused: %s", (code) => { expect(refusedSyntax(code)).not.toEqual([]); });

test.each([
  "let f=(a,b)=>a+b", "const f=a=>{let b=a;return b}", "for(let i=0;i<3;i++){let j=i;fs.push(()=>j)}", "for(const x of xs)ys.push(x)", "for(let n of xs)ys.filter(n=>n>1)", "class A{m(){return 1}}", "let o={a,m(){}}", "a??b", "try{a()}catch{b()}", "var a=1",
  "/^[a-z]+$/i.test(b)", "let f=()=>g();let g=()=>1", "switch(a){case 1:{let b=2}}", "`a${b}`",
])("read: %s", (code) => { expect(refusedSyntax(code)).toEqual([]); });

test.each(bundles.map((b) => b.board))("the bundle of %s is read by its engine", async (board) => { expect((await bundle(board)).refused).toEqual([]); });
