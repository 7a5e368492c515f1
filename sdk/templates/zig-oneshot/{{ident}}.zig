//! Writes a line about an alert to the log of the engine.

const std = @import("std");
const riposte = @import("riposte");

const {{type}} = struct {
    pub fn run() riposte.Error!void {
        const description = riposte.alert.text("/rule/description") orelse
            return riposte.invalid("the alert has no rule.description", .{});
        riposte.info("{s}", .{description});
    }
};

comptime {
    riposte.exportOneshot({{type}});
}

test "it logs the description of the rule" {
    riposte.mock.alertIs("{\"rule\":{\"description\":\"sshd: brute force\"}}");
    try {{type}}.run();
    try std.testing.expectEqualStrings("info: sshd: brute force", riposte.mock.lines_logged()[0]);
}

test "an alert without a description" {
    riposte.mock.alertIs("{}");
    try riposte.mock.expectKind("invalid-input", {{type}}.run());
}
