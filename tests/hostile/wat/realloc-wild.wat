;; Offers memory that it does not have.

;; -- realloc
(return (i32.const -65536))
