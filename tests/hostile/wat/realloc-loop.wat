;; Computes without end when it is asked for memory.

;; -- realloc
(loop $on (br $on))
