;; Lets the host copy the alert to it without end.

;; -- imports
(import "active-response:plugin/alert@0.1.0" "json" (func $json (param i32)))

;; -- add
(loop $on (call $json (i32.const 400)) (br $on))
