;; Logs what is not UTF-8.

;; -- imports
(import "active-response:plugin/log@0.1.0" "log" (func $log (param i32 i32 i32)))

;; -- items
(data (i32.const 240) "\80\80")

;; -- add
(call $log (i32.const 2) (i32.const 240) (i32.const 2))
