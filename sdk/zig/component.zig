//! The host of a component: the interfaces of WIT as the canonical ABI lays
//! them out. What is not called is not imported.

const std = @import("std");
const riposte = @import("riposte.zig");

/// Never gives back: the instance goes when the call ends.
pub const allocator = std.heap.wasm_allocator;

const Text = extern struct { bytes: [*]const u8, length: usize };

fn lent(text: []const u8) Text {
    return .{ .bytes = text.ptr, .length = text.len };
}

fn taken(text: Text) []const u8 {
    return text.bytes[0..text.length];
}

const ErrorOut = extern struct { kind: Text, message: Text, retry: bool };

fn failureOf(out: ErrorOut) riposte.Failure {
    return .{ .kind = taken(out.kind), .message = taken(out.message), .retry = out.retry };
}

// ---- Imports ----

const Changed = extern struct { refused: bool, out: extern union { changed: bool, failure: ErrorOut } };

fn answer(came: *const Changed) riposte.Answer {
    if (came.refused) return .{ .refused = failureOf(came.out.failure) };
    return .{ .done = came.out.changed };
}

pub const firewall = struct {
    const wit = struct {
        extern "active-response:plugin/firewall@0.1.0" fn block([*]const u8, usize, *Changed) void;
        extern "active-response:plugin/firewall@0.1.0" fn unblock([*]const u8, usize, *Changed) void;
        extern "active-response:plugin/firewall@0.1.0" fn blocked([*]const u8, usize, *Changed) void;
    };
    pub fn block(target: []const u8) riposte.Answer {
        return one(wit.block, target);
    }
    pub fn unblock(target: []const u8) riposte.Answer {
        return one(wit.unblock, target);
    }
    pub fn blocked(target: []const u8) riposte.Answer {
        return one(wit.blocked, target);
    }
};

pub const routes = struct {
    const wit = struct {
        extern "active-response:plugin/routes@0.1.0" fn blackhole([*]const u8, usize, *Changed) void;
        extern "active-response:plugin/routes@0.1.0" fn restore([*]const u8, usize, *Changed) void;
    };
    pub fn blackhole(target: []const u8) riposte.Answer {
        return one(wit.blackhole, target);
    }
    pub fn restore(target: []const u8) riposte.Answer {
        return one(wit.restore, target);
    }
};

pub const accounts = struct {
    const wit = struct {
        extern "active-response:plugin/accounts@0.1.0" fn lock([*]const u8, usize, *Changed) void;
        extern "active-response:plugin/accounts@0.1.0" fn unlock([*]const u8, usize, *Changed) void;
    };
    pub fn lock(target: []const u8) riposte.Answer {
        return one(wit.lock, target);
    }
    pub fn unlock(target: []const u8) riposte.Answer {
        return one(wit.unlock, target);
    }
};

pub const quarantine = struct {
    const wit = struct {
        extern "active-response:plugin/quarantine@0.1.0" fn put([*]const u8, usize, *Changed) void;
        extern "active-response:plugin/quarantine@0.1.0" fn restore([*]const u8, usize, *Changed) void;
    };
    pub fn put(target: []const u8) riposte.Answer {
        return one(wit.put, target);
    }
    pub fn restore(target: []const u8) riposte.Answer {
        return one(wit.restore, target);
    }
};

pub const lines = struct {
    const wit = struct {
        extern "active-response:plugin/lines@0.1.0" fn ensure([*]const u8, usize, [*]const u8, usize, *Changed) void;
        extern "active-response:plugin/lines@0.1.0" fn remove([*]const u8, usize, [*]const u8, usize, *Changed) void;
    };
    pub fn ensure(file: []const u8, line: []const u8) riposte.Answer {
        return two(wit.ensure, file, line);
    }
    pub fn remove(file: []const u8, line: []const u8) riposte.Answer {
        return two(wit.remove, file, line);
    }
};

/// The host ends a component that gives it anything but UTF-8.
const not_text = riposte.Answer{ .refused = .{ .kind = "invalid-input", .message = "an argument of a host call is not UTF-8" } };

fn one(function: *const fn ([*]const u8, usize, *Changed) callconv(.c) void, target: []const u8) riposte.Answer {
    if (!std.unicode.utf8ValidateSlice(target)) return not_text;
    var came: Changed = undefined;
    function(target.ptr, target.len, &came);
    return answer(&came);
}

fn two(
    function: *const fn ([*]const u8, usize, [*]const u8, usize, *Changed) callconv(.c) void,
    first: []const u8,
    second: []const u8,
) riposte.Answer {
    if (!std.unicode.utf8ValidateSlice(first) or !std.unicode.utf8ValidateSlice(second)) return not_text;
    var came: Changed = undefined;
    function(first.ptr, first.len, second.ptr, second.len, &came);
    return answer(&came);
}

const MaybeText = extern struct { there: bool, text: Text };
const MaybeNumber = extern struct { there: bool, number: i64 };

pub const alert = struct {
    const wit = struct {
        extern "active-response:plugin/alert@0.1.0" fn json(*Text) void;
        extern "active-response:plugin/alert@0.1.0" fn text([*]const u8, usize, *MaybeText) void;
        extern "active-response:plugin/alert@0.1.0" fn number([*]const u8, usize, *MaybeNumber) void;
    };
    pub fn json() []const u8 {
        var out: Text = undefined;
        wit.json(&out);
        return taken(out);
    }
    pub fn text(pointer: []const u8) ?[]const u8 {
        var out: MaybeText = undefined;
        wit.text(pointer.ptr, pointer.len, &out);
        return if (out.there) taken(out.text) else null;
    }
    pub fn number(pointer: []const u8) ?i64 {
        var out: MaybeNumber = undefined;
        wit.number(pointer.ptr, pointer.len, &out);
        return if (out.there) out.number else null;
    }
};

pub const invocation = struct {
    const wit = struct {
        extern "active-response:plugin/invocation@0.1.0" fn command(*Text) void;
        extern "active-response:plugin/invocation@0.1.0" fn id(*Text) void;
        extern "active-response:plugin/invocation@0.1.0" fn attempt() u32;
        extern "active-response:plugin/invocation@0.1.0" fn timeout(*MaybeNumber) void;
        extern "active-response:plugin/invocation@0.1.0" fn offence() u32;
        extern "active-response:plugin/invocation@0.1.0" fn tenant(*Text) void;
        extern "active-response:plugin/invocation@0.1.0" fn location(*Text) void;
        extern "active-response:plugin/invocation@0.1.0" fn arguments(*Texts) void;
        extern "active-response:plugin/invocation@0.1.0" fn keys(*Texts) void;
    };
    const Texts = extern struct { items: [*]const Text, count: usize };

    pub fn command() []const u8 {
        return text(wit.command);
    }
    pub fn id() []const u8 {
        return text(wit.id);
    }
    pub fn tenant() []const u8 {
        return text(wit.tenant);
    }
    pub fn location() []const u8 {
        return text(wit.location);
    }
    pub fn attempt() u32 {
        return wit.attempt();
    }
    pub fn offence() u32 {
        return wit.offence();
    }
    /// Seconds until `undo` is due.
    pub fn timeout() ?u64 {
        var out: MaybeNumber = undefined;
        wit.timeout(&out);
        return if (out.there) @bitCast(out.number) else null;
    }
    pub fn arguments() []const []const u8 {
        return texts(wit.arguments);
    }
    /// What the operator's <keys> found in the alert.
    pub fn keys() []const []const u8 {
        return texts(wit.keys);
    }

    fn text(function: *const fn (*Text) callconv(.c) void) []const u8 {
        var out: Text = undefined;
        function(&out);
        return taken(out);
    }
    fn texts(function: *const fn (*Texts) callconv(.c) void) []const []const u8 {
        var out: Texts = undefined;
        function(&out);
        const list = allocator.alloc([]const u8, out.count) catch @panic("out of memory");
        for (list, 0..) |*item, i| item.* = taken(out.items[i]);
        return list;
    }
};

const config_wit = struct {
    extern "active-response:plugin/config@0.1.0" fn get([*]const u8, usize, *MaybeText) void;
};

pub fn config(name: []const u8) ?[]const u8 {
    var out: MaybeText = undefined;
    config_wit.get(name.ptr, name.len, &out);
    return if (out.there) taken(out.text) else null;
}

const log_wit = struct {
    extern "active-response:plugin/log@0.1.0" fn log(u32, [*]const u8, usize) void;
};

pub fn log(level: u8, message: []const u8) void {
    const line = if (std.unicode.utf8ValidateSlice(message)) message else "a line of the log was not UTF-8";
    // Twice what a call may write: so the engine sees that there was more.
    const begin = beginning(line, 16 << 10);
    log_wit.log(level, begin.ptr, begin.len);
}

// ---- Exports ----

/// By which the host puts texts into our memory.
export fn cabi_realloc(old: ?[*]u8, old_length: usize, alignment: usize, length: usize) [*]u8 {
    if (length == 0) return @ptrFromInt(alignment);
    // Lists of texts are aligned to 4; 8 serves everything.
    const bytes = allocator.alignedAlloc(u8, .@"8", length) catch @trap();
    if (old) |from| @memcpy(bytes[0..@min(old_length, length)], from[0..@min(old_length, length)]);
    return bytes.ptr;
}

const Out = extern struct { refused: bool, out: extern union { nothing: u32, list: Text, failure: ErrorOut } };
var returned: Out = undefined;

fn refusal() *Out {
    const why = riposte.failure;
    const message = if (std.unicode.utf8ValidateSlice(why.message)) why.message else "the message was not UTF-8";
    // It may quote an alert of any length; the engine keeps as much.
    const begin = lent(beginning(message, 4096));
    returned = .{ .refused = true, .out = .{ .failure = .{ .kind = lent(why.kind), .message = begin, .retry = why.retry } } };
    return &returned;
}

/// Its first bytes, and no part of a letter: what is too long to be handed over
/// would end the call as a crash.
fn beginning(text: []const u8, most: usize) []const u8 {
    if (text.len <= most) return text;
    var end = most;
    while (end > 0 and text[end] & 0xc0 == 0x80) end -= 1;
    return text[0..end];
}

pub fn exportReversible(comptime T: type, comptime keysFunction: fn () riposte.Error![]const []const u8) void {
    const exports = struct {
        fn keys(_: [*]const u8, _: usize) callconv(.c) *Out {
            const told = keysFunction() catch return refusal();
            const list = allocator.alloc(Text, told.len) catch @trap();
            for (list, told) |*item, key| {
                if (!std.unicode.utf8ValidateSlice(key)) {
                    riposte.failure = .{ .kind = "invalid-input", .message = "a key is not UTF-8" };
                    return refusal();
                }
                item.* = lent(key);
            }
            returned = .{ .refused = false, .out = .{ .list = .{ .bytes = @ptrCast(list.ptr), .length = list.len } } };
            return &returned;
        }
        fn add(_: [*]const u8, _: usize) callconv(.c) *Out {
            const receipt = T.add() catch return refusal();
            returned = .{ .refused = false, .out = .{ .list = lent(receipt) } };
            return &returned;
        }
        fn delete(_: [*]const u8, _: usize, there: u32, bytes: [*]const u8, length: usize) callconv(.c) *Out {
            T.undo(if (there != 0) bytes[0..length] else null) catch return refusal();
            returned = .{ .refused = false, .out = .{ .nothing = 0 } };
            return &returned;
        }
    };
    @export(&exports.keys, .{ .name = "active-response:plugin/reversible@0.1.0#keys" });
    @export(&exports.add, .{ .name = "active-response:plugin/reversible@0.1.0#add" });
    @export(&exports.delete, .{ .name = "active-response:plugin/reversible@0.1.0#delete" });
}

pub fn exportOneshot(comptime T: type) void {
    const exports = struct {
        fn run(_: [*]const u8, _: usize) callconv(.c) *Out {
            T.run() catch return refusal();
            returned = .{ .refused = false, .out = .{ .nothing = 0 } };
            return &returned;
        }
    };
    @export(&exports.run, .{ .name = "active-response:plugin/oneshot@0.1.0#run" });
}
