/**
 * How the updates of a graph become instructions: one each, behind all others. Which operands and attributes an instruction has stands in
 * ops.def, so nothing here knows of any one of them.
 */

import type { Update } from '../graph/graph';
import type { Tensor } from '../graph/tensor';
import { baseOf } from './buffers';
import type { Buffer } from './ir';
import type { Lowering } from './lowering';
import { camelCase, snakeCase } from './opcodeNames';
import { OPCODES, type OpcodeName, type OperandSignature } from './opcodes';

/** Every update sees its inputs as they were before the step, whatever the updates before it have written. */
export function lowerUpdates(l: Lowering, updates: readonly Update[]): void {
  const inputs = updates.map((update) => update.inputs.map((input) => valueBefore(l, input)));
  for (const [i, { op, variables, attributes }] of updates.entries()) {
    const opcode = snakeCase(op) as OpcodeName;
    const signature = OPCODES[opcode];
    const words = signature.attrs.map(({ name }) => [name, Number(attributes[camelCase(name)])] as const);
    l.emit(
      opcode,
      operands(signature.inputs, inputs[i]!),
      operands(
        signature.outputs,
        variables.map((variable) => l.bufferOf(variable)),
      ),
      Object.fromEntries(words),
      variables[0]!.name && `${variables[0]!.name}/update`,
    );
  }
}

/** The value of a node; that of a variable is copied, since an update may write it first. */
function valueBefore(l: Lowering, node: Tensor): Buffer {
  const buffer = l.bufferOf(node);
  return baseOf(buffer).place.space === 'state' ? l.copy(buffer) : buffer;
}

/** As many operands as the instruction has: those that are not given are absent. */
function operands(signature: readonly OperandSignature[], given: readonly Buffer[]): (Buffer | null)[] {
  return signature.map((_, i) => given[i] ?? null);
}
