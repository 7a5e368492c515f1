//! Blocks the source address of an alert until the time of the response is over.

const std = @import("std");
const riposte = @import("riposte");

const {{type}} = struct {
    pub fn add() riposte.Error![]const u8 {
        const address = try riposte.srcip();
        _ = try riposte.firewall.block(address);
        riposte.info("blocked {s}", .{address});
        return "";
    }

    pub fn undo(_: ?[]const u8) riposte.Error!void {
        _ = try riposte.firewall.unblock(try riposte.srcip());
    }
};

comptime {
    riposte.exportReversible({{type}});
}

test "it blocks and unblocks the source address" {
    riposte.mock.alertIs("{\"data\":{\"srcip\":\"192.0.2.7\"}}");
    _ = try {{type}}.add();
    try {{type}}.undo(null);
    try riposte.mock.expectCalls(&.{ "firewall.block 192.0.2.7", "firewall.unblock 192.0.2.7" });
    try std.testing.expectEqualStrings("info: blocked 192.0.2.7", riposte.mock.lines_logged()[0]);
}

test "an alert without an address is not for it" {
    riposte.mock.alertIs("{\"data\":{\"srcip\":\"-\"}}");
    try riposte.mock.expectKind("no-key", {{type}}.add());
    try riposte.mock.expectCalls(&.{});
}
