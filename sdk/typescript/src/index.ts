// Workers for Baton workflows: see README.md.
export { Deferred, Holds, Problem, TaskEnded, notNow, permanent, temporary } from "./contract.js";
export type { Cause, Headers, ProblemOptions, TaskInfo } from "./contract.js";
export { FolderMemory, NoMemory, ProcessMemory } from "./memory.js";
export type { Memory } from "./memory.js";
export type { FieldType, Schema } from "./schema.js";
export { Task } from "./task.js";
export { complete, fail } from "./later.js";
export { Worker } from "./worker.js";
export type { Handler, Log, TaskOptions, WorkerOptions } from "./worker.js";
