echo active-responses.log
