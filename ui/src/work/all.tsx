// The pages of work: runs, what failed of them, who works, what is deployed.
export { Runs } from "./runs";
export { Views } from "./views";
export { Waits } from "./waits";
export { Run } from "./run";
export { Approvals } from "./approvals";
export { Dead, DeadGroup } from "./dead";
export { Schedules } from "./schedules";
export { Operations } from "./operations";
export { Workflows, Workflow } from "./workflows";
export { Tasks, Task, Workers } from "./tasks";
