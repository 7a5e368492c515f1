;; Asks for all memory at once.

;; -- add
(drop (memory.grow (i32.const 65000)))
(unreachable)
