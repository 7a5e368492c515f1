;; Logs what lies beyond its memory.

;; -- imports
(import "active-response:plugin/log@0.1.0" "log" (func $log (param i32 i32 i32)))

;; -- add
(call $log (i32.const 2) (i32.const -16) (i32.const 8))
