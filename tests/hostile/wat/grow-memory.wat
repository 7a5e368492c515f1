;; Asks for one page after the other, whatever the answer.

;; -- add
(loop $on (drop (memory.grow (i32.const 1))) (br $on))
