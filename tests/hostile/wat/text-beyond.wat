;; Asks for a field of the alert by a name beyond its memory.

;; -- imports
(import "active-response:plugin/alert@0.1.0" "text" (func $text (param i32 i32 i32)))

;; -- add
(call $text (i32.const -4) (i32.const 64) (i32.const 400))
