// The pages of administration: users, virtual hosts, policies, limits, definitions.
export { Users, User } from "./users";
export { Vhosts, Vhost } from "./vhosts";
export { Tokens, Sessions, Audit } from "./access";
export { Policies } from "./policies";
export { Limits } from "./limits";
export { Definitions } from "./definitions";
