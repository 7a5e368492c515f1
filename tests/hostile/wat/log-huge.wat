;; Logs 10 MiB at once.

;; -- imports
(import "active-response:plugin/log@0.1.0" "log" (func $log (param i32 i32 i32)))

;; -- memory
(memory (export "memory") 200)

;; -- add
(call $log (i32.const 2) (i32.const 65536) (i32.const 10485760))
