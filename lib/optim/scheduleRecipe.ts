/** What schedules were made with, for checkpoints: they are functions, which a file cannot hold. */

/** A function of `optim` by name, with all its options as plain data. */
export interface ScheduleRecipe {
  readonly name: string;
  readonly options: Readonly<Record<string, unknown>>;
}

const recipes = new WeakMap<object, ScheduleRecipe>();

export function withRecipe<Schedule extends object>(schedule: Schedule, recipe: ScheduleRecipe): Schedule {
  recipes.set(schedule, recipe);
  return schedule;
}

/** Undefined for a function of a user's own, and for a schedule of `optim` that contains one. */
export function scheduleRecipe(schedule: object): ScheduleRecipe | undefined {
  return recipes.get(schedule);
}
