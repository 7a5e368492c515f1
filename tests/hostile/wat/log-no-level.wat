;; Logs at a level that does not exist.

;; -- imports
(import "active-response:plugin/log@0.1.0" "log" (func $log (param i32 i32 i32)))

;; -- add
(call $log (i32.const 99) (i32.const 96) (i32.const 1))
