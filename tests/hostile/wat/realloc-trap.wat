;; Crashes when it is asked for memory.

;; -- realloc
(unreachable)
