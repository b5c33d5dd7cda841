/**
 * Reads native/program/ops.def, the single list of instructions and enumerations. Knows its syntax, which stands at its head, and nothing
 * of what the instructions do.
 */
'use strict';

/**
 * @typedef {{ name: string, optional: boolean, updated: boolean, inPlace: boolean }} Operand
 * @typedef {{ name: string, type: string }} Attribute `type` is 'int32', 'float32' or the name of an enumeration
 * @typedef {{ name: string, values: string[] }} Enumeration
 * @typedef {{ name: string, inputs: Operand[], outputs: Operand[], attributes: Attribute[], isUpdate: boolean }} Instruction
 */

/** @returns {{ enumerations: Enumeration[], instructions: Instruction[], hash: number }} */
function parseOpsDef(text) {
  const enumerations = [];
  const instructions = [];
  let hash = FNV_OFFSET;
  for (const [index, line] of text.split('\n').entries()) {
    if (/^\s*(\/\/|#|$)/.test(line)) continue;
    try {
      const { kind, name, fields } = parseLine(line);
      hash = hashText(hash, `${kind === 'ENUM' ? 'ENUM' : 'OP'} ${name} ${fields.join('|')}\n`);
      if (kind === 'ENUM') enumerations.push({ name, values: words(fields[0]) });
      else instructions.push({ ...parseInstruction(name, fields, enumerations), isUpdate: kind === 'UPDATE' });
    } catch (error) {
      throw new Error(`native/program/ops.def:${index + 1}: ${error.message}: ${line}`, { cause: error });
    }
  }
  return { enumerations, instructions, hash };
}

function words(list) {
  return list.split(' ').filter(Boolean);
}

function parseLine(line) {
  const match = /^(ENUM|OP|UPDATE)\((\w+)((?:,\s*"[^"\\]*")+)\)\s*$/.exec(line);
  const fields = match ? [...match[3].matchAll(/"([^"]*)"/g)].map(([, field]) => field) : [];
  if (!match || fields.length !== (match[1] === 'ENUM' ? 1 : 3)) {
    throw new Error('expected ENUM(name, "values"), or OP or UPDATE(name, "inputs", "outputs", "attributes")');
  }
  return { kind: match[1], name: match[2], fields };
}

function parseInstruction(name, [inputs, outputs, attributes], enumerations) {
  const instruction = {
    name,
    inputs: words(inputs).map((word) => parseOperand(word, '?~')),
    outputs: words(outputs).map((word) => parseOperand(word, '?!')),
    attributes: words(attributes).map((word) => parseAttribute(word, enumerations)),
  };
  if (instruction.inputs.filter(({ inPlace }) => inPlace).length > 1) throw new Error("at most one input may be marked with '~'");
  return instruction;
}

/** `velocity!?`: a name and marks, each of which must be among `allowed`. */
function parseOperand(word, allowed) {
  const [, name, marks] = /^(\w+)(\W*)$/.exec(word) ?? [];
  if (!name || [...marks].some((mark) => !allowed.includes(mark))) throw new Error(`"${word}" is not a name with marks of "${allowed}"`);
  return { name, optional: marks.includes('?'), updated: marks.includes('!'), inPlace: marks.includes('~') };
}

/** `groups`, `eps:f` or `kind:reduction`. */
function parseAttribute(word, enumerations) {
  const [, name, type] = /^(\w+)(?::(\w+))?$/.exec(word) ?? [];
  const known = type === undefined || type === 'f' || enumerations.some((enumeration) => enumeration.name === type);
  if (!name || !known) throw new Error(`"${word}" is not a name, or a name and ":f" or ":" and an enumeration that stands above`);
  return { name, type: type === undefined ? 'int32' : type === 'f' ? 'float32' : type };
}

const FNV_OFFSET = 2166136261;

/** FNV-1a; over all lines the same number as computeOpsHash of native/program/ops.h. */
function hashText(hash, text) {
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 16777619) >>> 0;
  return hash;
}

module.exports = { parseOpsDef };
