/**
 * State: the variables that programs read and write, in native memory, and values derived from them. It mirrors the
 * VariableStorage of each variable: uploads what changed outside, and holds what a training step changed inside.
 */

import { setImmediate } from 'node:timers';
import type { Program, SlotRequest } from '../compile/ir';
import { DTYPE } from '../compile/opcodes';
import { formatShape, StridenetError } from '../errors';
import { readHeld, type Content, type FileSpan, type StorageHolder, type VariableStorage } from '../graph/storage';
import type { FillRule } from '../random';
import { atOnce, type Work } from '../work';
import type { Tensor } from '../graph/tensor';
import { elementCount, newArray } from '../graph/types';
import { binding, fromNative, type NativeState } from './binding';

/** What variables were made of at some moment, by storage. */
export type Contents = ReadonlyMap<VariableStorage, { readonly content: Content; readonly version: number }>;

/** So many numbers are copied at a time, which takes some milliseconds. */
const PART_LENGTH = 2 ** 20;

/** The number of each kind of rule in native code. */
const RULE_KIND: Readonly<Record<FillRule['kind'], number>> = { constant: 0, uniform: 1, normal: 2 };

/** A variable's slot and the version of its storage that the slot holds. */
interface Mirror {
  readonly slot: number;
  readonly storage: VariableStorage;
  version: number;
  /** The place from which native code was told to read the value. As long as it is kept, the file stays open. */
  span?: FileSpan;
}

export interface StateOptions {
  /**
   * Once programs have packed their weights, give back the memory of the weights themselves, which then lie with the model alone; they are
   * uploaded again when a program has to pack. For programs that write no variable. Default false.
   */
  readonly releasesSources?: boolean;
  /**
   * How many bytes programs will pack at least. Their memory is prepared while the programs are compiled. Default 0.
   */
  readonly expectedBytes?: number;
}

export class State implements StorageHolder {
  readonly native: NativeState;
  private readonly releasesSources: boolean;
  /** Grows whenever a changed value is uploaded. */
  generation = 0;
  /** How many runs have been prepared and are not over. */
  private pending = 0;
  /** Resolve the promises of those who wait until no run is under way. */
  private readonly idlers: (() => void)[] = [];
  /** Whether something was uploaded since sources were last released. */
  private uploaded = false;
  private released = false;
  private slotsAdded = false;
  private readonly variables = new Map<VariableStorage, Mirror>();
  private readonly derived = new Map<string, { readonly slot: number; readonly request: SlotRequest; programs: number }>();
  /** Derived slots that no program takes any more, by what they can hold. */
  private readonly unused = new Map<string, number[]>();

  constructor({ releasesSources = false, expectedBytes = 0 }: StateOptions = {}) {
    this.releasesSources = releasesSources;
    this.native = new (binding().State)(releasesSources, expectedBytes);
  }

  /** Native memory of the slots. */
  get bytes(): number {
    return this.native.bytes;
  }

  /** The words of `program` with its slots replaced by those of this State; new slots are made. */
  renumber(program: Program): Int32Array {
    const slots = program.slots.map((request) =>
      typeof request.key === 'string' ? this.derivedSlot(request.key, request) : this.mirror(request.key, request).slot,
    );
    const words = program.words.slice();
    for (const at of program.slotWords) words[at] = slots[words[at]!]!;
    return words;
  }

  /** Counts a program whose slots are in use until `forget`. */
  remember({ slots }: Program): void {
    for (const { key } of slots) if (typeof key === 'string') this.derived.get(key)!.programs++;
  }

  /** A program that will not run again: gives back the memory of the values that were derived for it alone. */
  forget({ slots }: Program): void {
    for (const { key } of slots) {
      const known = typeof key === 'string' ? this.derived.get(key)! : undefined;
      if (!known || --known.programs > 0) continue;
      this.call((native) => native.dropDerived(known.slot));
      this.derived.delete(key as string);
      const kind = kindOf(known.request);
      this.unused.set(kind, [...(this.unused.get(kind) ?? []), known.slot]);
    }
  }

  /** What `sync` and `tookUpdates` need to know of a program's variables, looked up once. */
  mirrorsOf(variables: readonly Tensor[]): Mirrors {
    return new Mirrors(
      this,
      variables.map((variable) => this.variables.get(storageOf(variable))!),
    );
  }

  /** Uploads every variable whose storage changed since this State saw it. */
  sync(): void {
    for (const mirror of this.variables.values()) if (mirror.version !== mirror.storage.version) atOnce(this.uploading(mirror));
  }

  /** Resolves when no run is under way: until then copying waits, and with it the thread. */
  async idle(): Promise<void> {
    while (this.pending > 0) await new Promise<void>((resolve) => this.idlers.push(resolve));
  }

  /** @internal Writes what the variable is made of, or was. @param known its value, if that has been read */
  *uploading(mirror: Mirror, { content, version } = currentContent(mirror.storage), known?: Float32Array): Work<void> {
    const { slot, storage } = mirror;
    const span = content.kind === 'stored' ? content.stored.span : undefined;
    if (span) {
      this.call((native) => native.writeFile(slot, span.file.descriptor, span.offset));
    } else if (content.kind === 'rule') {
      const { kind, first, second, stream } = content.rule;
      this.call((native) => native.writeRule(slot, RULE_KIND[kind], first, second, stream));
    } else {
      const value = known ?? (yield* storage.valueOf(content));
      yield* inParts(storage, value, (part, first) => this.call((native) => native.write(slot, part, true, first)));
    }
    mirror.span = span;
    mirror.version = version;
    this.generation++;
    this.uploaded = true;
  }

  /** @internal Uploads the variables again whose memory was given back. */
  *restoring(): Work<void> {
    if (!this.released) return;
    for (const { slot, storage } of this.variables.values()) {
      if (!this.call((native) => native.isReleased(slot))) continue;
      const value = yield* storage.valueOf(storage.content);
      yield* inParts(storage, value, (part, first) => this.call((native) => native.restore(slot, part, first)));
    }
    this.released = false;
    this.uploaded = true;
  }

  /** @internal A run's variables are in place; `runEnded` must follow. */
  runBegins(): void {
    this.pending++;
  }

  /** @internal The last run that was under way gives back what it packed from. */
  runEnded(): void {
    this.pending--;
    // Memory is reported here rather than when slots are added, because a run is the first to touch it, and only after
    // the caller has the results.
    if (this.slotsAdded) setImmediate(() => this.native.reportMemory());
    this.slotsAdded = false;
    if (this.pending === 0) for (const resume of this.idlers.splice(0)) resume();
    if (!this.releasesSources || !this.uploaded || this.pending > 0) return;
    this.native.releaseSources();
    this.uploaded = false;
    this.released = true;
  }

  /** @internal A step wrote the slot: this State has the newest value, unless someone has set another meanwhile. */
  took(mirror: Mirror): void {
    if (mirror.storage.version !== mirror.version) return;
    mirror.storage.heldBy(this);
    mirror.version = mirror.storage.version;
  }

  /** The value of a variable in logical order; a fresh copy. */
  read(storage: VariableStorage): Float32Array {
    return atOnce(this.reading(storage));
  }

  /** The same, done piece by piece. */
  *reading(storage: VariableStorage): Work<Float32Array> {
    const { slot } = this.mirrorOf(storage);
    const value = newArray('Reading a variable', storage.shape, 'float32');
    yield* inParts(storage, value, (part, first) => this.call((native) => native.readPart(slot, part, true, first)));
    return value;
  }

  get isBusy(): boolean {
    return this.pending > 0;
  }

  readAll(storages: readonly VariableStorage[]): Float32Array[] {
    const values = storages.map(({ shape }) => newArray('Reading a variable', shape, 'float32'));
    const slots = Int32Array.from(storages, (storage) => this.mirrorOf(storage).slot);
    this.call((native) => native.readAll(slots, values));
    return values;
  }

  /** Gives every held variable its value back, so that this State's memory can go. */
  *releasing(): Work<void> {
    for (const { storage } of this.variables.values()) {
      if (storage.isHeldBy(this)) storage.release(this, yield* this.reading(storage));
    }
  }

  /** Gives every held variable its value back, and frees the memory when the runs under way are over. Idempotent. */
  close(): void {
    atOnce(this.releasing());
    this.native.close();
  }

  private mirrorOf(storage: VariableStorage): Mirror {
    const mirror = this.variables.get(storage);
    if (mirror) return mirror;
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `A State was asked for a variable of shape ${formatShape(storage.shape)} that it does not have.`,
    );
  }

  private mirror(variable: Tensor, request: SlotRequest): Mirror {
    const storage = storageOf(variable);
    let mirror = this.variables.get(storage);
    if (!mirror) {
      mirror = { slot: this.addSlot(request, false), storage, version: -1 };
      this.variables.set(storage, mirror);
    }
    return mirror;
  }

  private derivedSlot(key: string, request: SlotRequest): number {
    const known = this.derived.get(key);
    if (known) {
      if (known.request.dtype === request.dtype && elementCount(known.request.shape) === elementCount(request.shape)) return known.slot;
      throw new StridenetError('ERR_PROGRAM_INVALID', `Internal error in the compiler: two derived values share the key "${key}".`);
    }
    const slot = this.unused.get(kindOf(request))?.pop() ?? this.addSlot(request, true);
    this.derived.set(key, { slot, request, programs: 0 });
    return slot;
  }

  private call<T>(body: (native: NativeState) => T): T {
    try {
      return body(this.native);
    } catch (error) {
      throw fromNative(error);
    }
  }

  private addSlot({ dtype, shape }: SlotRequest, derived: boolean): number {
    this.slotsAdded = true;
    return this.call((native) => native.addSlot(DTYPE[dtype], Int32Array.from(shape), derived));
  }
}

/** Equal for slots that can stand in for each other. */
function kindOf({ dtype, shape }: SlotRequest): string {
  return `${dtype} ${elementCount(shape)}`;
}

/** What a variable is made of now; an initializer has run. */
function currentContent(storage: VariableStorage): { content: Content; version: number } {
  const { content } = storage;
  if (content.kind === 'made') storage.value(); // an initializer may raise the version
  return { content: storage.content, version: storage.version };
}

/** What the variables of a graph are made of now. */
export function currentContents(nodes: readonly Tensor[]): Contents {
  const storages = nodes.flatMap(({ leaf }) => (leaf?.kind === 'variable' ? [leaf.storage] : []));
  return new Map(storages.map((storage) => [storage, { content: storage.content, version: storage.version }]));
}

/** A value part by part, each of whole entries of the first axis where native code may have to put them in another order. */
function* inParts(storage: VariableStorage, value: Float32Array, copy: (part: Float32Array, first: number) => void): Work<void> {
  const unit = storage.shape.length === 4 ? value.length / storage.shape[0]! : 1;
  const length = unit * Math.max(1, Math.floor(PART_LENGTH / unit));
  for (let first = 0; first < value.length; first += length) {
    yield;
    copy(value.subarray(first, first + length), first);
  }
}

/** Those variables of a State that one program reads or writes. */
export class Mirrors {
  /** The State's generation for which everything was in place, -1 when a run must see to it again. */
  private generation = -1;
  /** A run may be reading files that have not been checked since. */
  private unchecked = false;

  constructor(
    private readonly state: State,
    private readonly mirrors: readonly Mirror[],
  ) {}

  /** Whether everything is in place for a run. */
  get areCurrent(): boolean {
    return this.generation === this.state.generation && !this.mirrors.some(({ version, storage }) => version !== storage.version);
  }

  /**
   * Uploads those whose storage changed, or tells where they lie. When any did, and for a first run, released ones come back before: runs
   * prepare from them.
   * @param contents what they are to hold, where that is not what they are made of now
   */
  *updating(contents?: Contents): Work<void> {
    if (this.areCurrent) return;
    yield* this.state.restoring();
    const wanted = this.mirrors.map((mirror) => ({ mirror, made: contents?.get(mirror.storage) ?? currentContent(mirror.storage) }));
    // The values of a holder that is taking steps are read all at once: read one by one they would be of different
    // steps.
    const known = readHeld(
      wanted.flatMap(({ mirror: { storage, version }, made: { content, version: newest } }) =>
        version < newest && content.kind === 'held' && content.holder.isBusy ? [storage] : [],
      ),
    );
    for (const { mirror, made } of wanted) {
      // A run that was asked for before may have brought a later value, or made one.
      if (mirror.version < made.version) yield* this.state.uploading(mirror, made, known.get(mirror.storage));
    }
    this.checkFiles();
    this.generation = this.state.generation;
    this.unchecked = true;
  }

  /**
   * A run is over: what it read from files must be what was loaded.
   * @throws StridenetError ERR_FILE_CHANGED; then nothing that it computed is of use, and the next run begins by reading again
   */
  checkRead(): void {
    if (!this.unchecked) return;
    this.unchecked = false;
    try {
      this.checkFiles();
    } catch (error) {
      for (const mirror of this.mirrors) if (mirror.span) mirror.version = -1;
      throw error;
    }
  }

  private checkFiles(): void {
    for (const file of new Set(this.mirrors.map(({ span }) => span?.file))) file?.check();
  }

  /** A run failed, so what it was to prepare may be missing. */
  forget(): void {
    this.generation = -1;
  }

  /** A step wrote them. */
  tookUpdates(): void {
    for (const mirror of this.mirrors) this.state.took(mirror);
  }
}

function storageOf(variable: Tensor): VariableStorage {
  if (variable.leaf?.kind !== 'variable') {
    throw new StridenetError(
      'ERR_PROGRAM_INVALID',
      `Internal error in the compiler: ${variable.op} "${variable.name}" has a state slot but is no variable.`,
    );
  }
  return variable.leaf.storage;
}
