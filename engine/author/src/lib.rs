//! What the author of a response works with: a project made from a template,
//! built, and tried against scenarios in the real sandbox with a host that only
//! records. Nothing here acts on the machine but by the author's own build
//! tools.
