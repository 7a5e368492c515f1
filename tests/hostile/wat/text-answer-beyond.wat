;; Wants the answer of the host beyond its memory.

;; -- imports
(import "active-response:plugin/alert@0.1.0" "text" (func $text (param i32 i32 i32)))

;; -- items
(data (i32.const 240) "/data/srcip")

;; -- add
(call $text (i32.const 240) (i32.const 11) (i32.const -16))
