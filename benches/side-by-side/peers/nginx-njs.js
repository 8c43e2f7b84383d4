// Signs the body that nginx has read and lets nginx forward it.
import crypto from 'crypto';

function sign(request) {
    const body = request.requestBuffer;
    const mac = crypto.createHmac('sha256', '@SECRET@');
    // An empty buffer cannot be hashed: njs calls it detached.
    if (body && body.length > 0) mac.update(body);
    request.variables.signature = mac.digest('hex');
    request.variables.stamp = Math.floor(Date.now() / 1000);
    request.internalRedirect('@signed');
}

export default { sign };
